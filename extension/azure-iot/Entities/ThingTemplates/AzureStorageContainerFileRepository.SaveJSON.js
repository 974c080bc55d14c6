throw new Error("SaveJSON is not available in this version");
