var list = ThingShapes["ProtocolAdapterWithAvailability"].GetImplementingThings();
var names = [], i, n, thing, row;
var result = Resources["InfoTableFunctions"].CreateInfoTableFromDataShape({
    infoTableName: "connectors", dataShapeName: "ProtocolAdapterAvailability"
});

// A platform may refuse whatever is asked of a disabled Thing.
function isUsable(connector) {
    try {
        return Boolean(connector) && connector.IsEnabled();
    } catch (e) {
        return false;
    }
}

n = list.rows.length;
for (i = 0; i < n; i++) {
    names.push(String(list.rows[i].name));
}
names.sort();
for (i = 0; i < names.length; i++) {
    thing = Things[names[i]];
    if (isUsable(thing)) {
        row = { name: names[i], availabilityGroup: thing.availabilityGroup, healthState: thing.healthState, active: Boolean(thing.active) };
        if (thing.healthStateUpdated) {
            row.healthStateUpdated = thing.healthStateUpdated;
        }
        result.AddRow(row);
    }
}
