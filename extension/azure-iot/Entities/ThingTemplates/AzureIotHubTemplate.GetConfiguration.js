// Only what is set has a row: what has none, the connector takes from its file or from its defaults.
var result = Resources["InfoTableFunctions"].CreateInfoTableFromDataShape({
    infoTableName: "settings", dataShapeName: "AzureIotSetting"
});
var seen = {}, others, connection, storage, methods, presence, i, n;

function columns(tableName) {
    var table = me.GetConfigurationTable({ tableName: tableName });
    return table.rows.length > 0 ? table.rows[0] : {};
}

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

function seconds(value) {
    return Number(value) > 0 ? String(Number(value)) + "s" : "";
}

function add(name, value, table) {
    if (value === "") {
        return;
    }
    if (seen["." + name]) {
        throw new Error(name + " of " + me.name + " is set twice: in " + seen["." + name] + " and in " + table);
    }
    seen["." + name] = table;
    result.AddRow({ name: name, value: value });
}

connection = columns("ConnectionSettings");
add("connectionString", secret("connectionString", connection.connectionString), "ConnectionSettings");
add("eventHubsConnectionString", secret("eventHubsConnectionString", connection.eventHubsConnectionString), "ConnectionSettings");
add("consumerGroup", text(connection.consumerGroup), "ConnectionSettings");

storage = columns("StorageSettings");
add("eventProcessorHostBlobThing", text(storage.eventProcessorHostBlobThing), "StorageSettings");
add("fileRepositoryBlobThing", text(storage.fileRepositoryBlobThing), "StorageSettings");

methods = columns("MethodSettings");
add("methods.connectTimeout", seconds(methods.connectTimeout), "MethodSettings");
add("methods.responseTimeout", seconds(methods.responseTimeout), "MethodSettings");

presence = columns("PresenceSettings");
add("presence.timeout", seconds(presence.timeout), "PresenceSettings");

others = me.GetConfigurationTable({ tableName: "ConnectorSettings" });
n = others.rows.length;
for (i = 0; i < n; i++) {
    add(text(others.rows[i].name), text(others.rows[i].value), "ConnectorSettings");
}
