var MOST = 10000;
var most = Number(maxItems) > 0 ? Math.min(Math.floor(Number(maxItems)), MOST) : 1000;
var first = after === undefined || after === null ? "" : String(after);
var list = ThingShapes["RoutedEgress"].GetImplementingThings();
var names = [], i, n, name;
var result = Resources["InfoTableFunctions"].CreateInfoTableFromDataShape({
    infoTableName: "things", dataShapeName: "AzureIotDeviceThing"
});

// A platform may refuse whatever is asked of a disabled Thing.
function isBehind(thing) {
    try {
        return Boolean(thing) && thing.IsEnabled() && String(thing.gatewayThing || "") === me.name;
    } catch (e) {
        return false;
    }
}

n = list.rows.length;
for (i = 0; i < n; i++) {
    name = String(list.rows[i].name);
    if (name > first) {
        names.push(name);
    }
}
names.sort();
for (i = 0; i < names.length && result.rows.length < most; i++) {
    if (isBehind(Things[names[i]])) {
        result.AddRow({ name: names[i] });
    }
}
