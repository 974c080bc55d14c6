// Only what is set has a row.
var table = me.GetConfigurationTable({ tableName: "BlobStorageSettings" });
var settings = table.rows.length > 0 ? table.rows[0] : {};
var result = Resources["InfoTableFunctions"].CreateInfoTableFromDataShape({
    infoTableName: "settings", dataShapeName: "AzureIotSetting"
});

function text(value) {
    return value === undefined || value === null ? "" : String(value);
}

// A table hands out a PASSWORD as it is kept; only the value in the clear has the semicolons of a connection string.
function secret(name, value) {
    var kept = text(value);
    if (kept === "" || kept.indexOf(";") >= 0) {
        return kept;
    }
    try {
        return text(Resources["EncryptionServices"].DecryptPropertyValue({ data: kept }));
    } catch (e) {
        throw new Error(name + " of " + me.name + " cannot be decrypted on this platform: empty it, and set it in the connector's file");
    }
}

function add(name, value) {
    if (value !== "") {
        result.AddRow({ name: name, value: value });
    }
}

add("accountName", text(settings.accountName));
add("connectionString", secret("connectionString", settings.connectionString));
add("containerName", text(settings.containerName));
