var result = null;
throw new Error("LoadText is not available in this version");
