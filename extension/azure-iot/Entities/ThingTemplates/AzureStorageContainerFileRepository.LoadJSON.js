var result = null;
throw new Error("LoadJSON is not available in this version");
