// A property that is there stays as it is, whatever it is; one whose remote name is another one's is left out. If one cannot be
// made, the others are, and the reason is told behind them: whoever calls again repeats nothing.
var MOST = 1000;
var result = Resources["InfoTableFunctions"].CreateInfoTableFromDataShape({
    infoTableName: "properties", dataShapeName: "AzureIotRemoteProperty"
});
var taken = {}, bound = {}, refused = "", added = 0, rows, name, edgeName, i, n;

if (properties.rows.length > MOST) {
    throw new Error(properties.rows.length + " properties are more than " + MOST);
}
rows = me.GetPropertyDefinitions().rows;
n = rows.length;
for (i = 0; i < n; i++) {
    taken["." + String(rows[i].name)] = true;
}
rows = me.GetAzureRemoteProperties().rows;
n = rows.length;
for (i = 0; i < n; i++) {
    bound["." + String(rows[i].edgeName)] = true;
}
rows = properties.rows;
n = rows.length;
for (i = 0; i < n; i++) {
    name = String(rows[i].name);
    edgeName = String(rows[i].edgeName || name);
    if (!taken["." + name] && !bound["." + edgeName]) {
        taken["." + name] = true;
        bound["." + edgeName] = true;
        try {
            if (!dryRun) {
                me.AddPropertyDefinition({
                    name: name, type: String(rows[i].baseType), category: "Declared",
                    description: "Declared from what the device has sent or reported",
                    remote: true, remotePropertyName: edgeName, pushType: "ALWAYS", dataChangeType: "VALUE"
                });
                added++;
            }
            result.AddRow({ name: name, edgeName: edgeName, baseType: String(rows[i].baseType), pushType: "ALWAYS" });
        } catch (e) {
            refused = name + ": " + e.message;
        }
    }
}
if (added > 0) {
    me.RestartThing(); // a definition counts from the next start on
}
if (refused !== "") {
    throw new Error(refused);
}
