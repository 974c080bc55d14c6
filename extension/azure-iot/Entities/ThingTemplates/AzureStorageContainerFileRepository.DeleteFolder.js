throw new Error("DeleteFolder is not available in this version");
