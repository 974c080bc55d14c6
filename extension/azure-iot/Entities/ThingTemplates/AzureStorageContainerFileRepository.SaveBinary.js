throw new Error("SaveBinary is not available in this version");
