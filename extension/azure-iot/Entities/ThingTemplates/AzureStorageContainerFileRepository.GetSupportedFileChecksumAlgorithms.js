var result = null;
throw new Error("GetSupportedFileChecksumAlgorithms is not available in this version");
