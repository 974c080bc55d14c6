var result = null;
throw new Error("LoadBinary is not available in this version");
