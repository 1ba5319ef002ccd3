throw new Error("this page\ncannot be loaded");
