var hubName = hubThingName ? String(hubThingName) : "";
var hubs, things, row, thing, i, n;
var result = Resources["InfoTableFunctions"].CreateInfoTableFromDataShape({
    infoTableName: "devices", dataShapeName: "AzureIotDevice"
});

if (hubName === "") {
    hubs = ThingTemplates["AzureIotHubTemplate"].GetImplementingThings();
    if (hubs.rows.length > 1) {
        throw new Error("there are " + hubs.rows.length + " hub Things: name one in hubThingName");
    }
    hubName = hubs.rows.length === 1 ? String(hubs.rows[0].name) : "";
}
if (hubName !== "") {
    if (!Things[hubName] || !Things[hubName].IsDerivedFromTemplate({ thingTemplateName: "AzureIotHubTemplate" })) {
        throw new Error("there is no hub Thing " + hubName);
    }
    things = Things[hubName].GetDeviceThings({ after: after, maxItems: maxItems });
    n = things.rows.length;
    for (i = 0; i < n; i++) {
        thing = Things[String(things.rows[i].name)];
        row = { name: String(things.rows[i].name), hubThing: hubName, description: String(thing.description || "") };
        if (thing.presence) {
            row.presence = String(thing.presence);
        }
        if (thing.presenceChanged) {
            row.presenceChanged = thing.presenceChanged;
        }
        if (thing.lastSeen) {
            row.lastSeen = thing.lastSeen;
        }
        result.AddRow(row);
    }
}
