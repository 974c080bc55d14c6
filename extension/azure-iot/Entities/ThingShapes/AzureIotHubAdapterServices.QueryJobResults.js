var result = null;
throw new Error("QueryJobResults is not available in this version");
