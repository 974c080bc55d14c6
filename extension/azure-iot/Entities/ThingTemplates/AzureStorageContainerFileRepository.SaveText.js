throw new Error("SaveText is not available in this version");
