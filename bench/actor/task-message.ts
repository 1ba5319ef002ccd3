/** About 200 bytes as JSON: what a task looks like on its way to the queue. */
export interface TaskMessage {
  taskId: string;
  taskType: string;
  priority: number;
  payload: { path: string; width: number; height: number; format: string; quality: number };
  tags: string[];
  attempt: number;
  deadlineMs: number;
}

export function taskMessage(index: number): TaskMessage {
  return {
    taskId: `task-${100_000 + index}`,
    taskType: "resize-image",
    priority: index % 10,
    payload: { path: `/data/images/${index}.jpg`, width: 640, height: 480, format: "webp", quality: 80 },
    tags: ["images", "thumbnails"],
    attempt: 1,
    deadlineMs: 1_750_000_000_000 + index,
  };
}
