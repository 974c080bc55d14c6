// Rows are those of properties that a device may write: remote ones, but none of this template, which the connector
// writes. A disabled Thing has none, so that no value meets a Thing that is only half made.
var OWN = [
    "lastSeen", "presence", "presenceChanged", "presenceEvidence", "presenceEvidenceTime", "twinDesired", "twinReported", "twinTags", "twinUpdated"
];
var types = {}, names = [], definitions, binding, row, i, n, name;
var result = Resources["InfoTableFunctions"].CreateInfoTableFromDataShape({
    infoTableName: "properties", dataShapeName: "AzureIotRemoteProperty"
});

// A platform may answer for a property without a binding with no row or with an error.
function bindingOf(property) {
    var bindings;
    try {
        bindings = me.GetRemotePropertyBinding({ propertyName: property });
    } catch (e) {
        return null;
    }
    return bindings.rows.length > 0 ? bindings.rows[0] : null;
}

if (me.IsEnabled()) {
    me.GetRemotePropertyBinding({ propertyName: "twinDesired" }); // who may not ask hears of it here
    definitions = me.GetPropertyDefinitions();
    n = definitions.rows.length;
    for (i = 0; i < n; i++) {
        name = String(definitions.rows[i].name);
        if (OWN.indexOf(name) < 0) {
            types["." + name] = String(definitions.rows[i].baseType);
            names.push(name);
        }
    }
    names.sort();
    for (i = 0; i < names.length; i++) {
        binding = bindingOf(names[i]);
        if (binding) {
            row = {
                name: names[i],
                edgeName: String(binding.sourceName || names[i]),
                baseType: types["." + names[i]],
                pushType: String(binding.pushType)
            };
            if (me.gatewayThing) {
                row.gatewayThing = String(me.gatewayThing);
            }
            if (me.writeVia) {
                row.writeVia = String(me.writeVia);
            }
            if (me.presenceTimeout) {
                row.presenceTimeout = Number(me.presenceTimeout);
            }
            result.AddRow(row);
        }
    }
}
