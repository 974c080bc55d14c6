throw new Error("RenameFile is not available in this version");
