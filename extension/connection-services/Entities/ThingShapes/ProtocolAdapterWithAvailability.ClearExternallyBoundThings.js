throw new Error("ClearExternallyBoundThings is not available in this version");
