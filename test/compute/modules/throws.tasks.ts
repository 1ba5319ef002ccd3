throw new SyntaxError("half a module");
