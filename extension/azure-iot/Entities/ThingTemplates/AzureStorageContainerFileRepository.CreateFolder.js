throw new Error("CreateFolder is not available in this version");
