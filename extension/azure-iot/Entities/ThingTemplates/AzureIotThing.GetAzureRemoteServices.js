// Rows are those of services that the device or its modules carry out: remote ones, but none of this template, which the
// connector answers. A disabled Thing has none.
var TEMPLATE = "AzureIotThing";
var inherited = {}, byName = {}, names = [], definitions, binding, row, type, i, n, name;
var result = Resources["InfoTableFunctions"].CreateInfoTableFromDataShape({
    infoTableName: "services", dataShapeName: "AzureIotRemoteService"
});

// A platform may answer for a service without a binding with no row or with an error.
function bindingOf(service) {
    var bindings;
    try {
        bindings = me.GetRemoteServiceBinding({ serviceName: service });
    } catch (e) {
        return null;
    }
    return bindings.rows.length > 0 ? bindings.rows[0] : null;
}

// Without its columns a result still travels: they come as the device sends them.
function columnsOf(dataShape) {
    var columns = [], fields, j, m;
    try {
        fields = DataShapes[dataShape].GetFieldDefinitions();
    } catch (e) {
        return null;
    }
    m = fields.rows.length;
    for (j = 0; j < m; j++) {
        columns.push({ name: String(fields.rows[j].name), baseType: String(fields.rows[j].baseType) });
    }
    return columns.length > 0 ? columns : null;
}

if (me.IsEnabled()) {
    me.GetRemoteServiceBinding({ serviceName: "Ping" }); // who may not ask hears of it here
    definitions = ThingTemplates[TEMPLATE].GetInstanceServiceDefinitions();
    n = definitions.rows.length;
    for (i = 0; i < n; i++) {
        inherited["." + String(definitions.rows[i].name)] = true;
    }
    inherited[".Ping"] = true;
    definitions = me.GetServiceDefinitions();
    n = definitions.rows.length;
    for (i = 0; i < n; i++) {
        name = String(definitions.rows[i].name);
        if (!inherited["." + name]) {
            byName["." + name] = definitions.rows[i].resultType;
            names.push(name);
        }
    }
    names.sort();
    for (i = 0; i < names.length; i++) {
        binding = bindingOf(names[i]);
        if (binding) {
            type = byName["." + names[i]];
            type = type && type.rows.length > 0 ? type.rows[0] : {};
            row = {
                name: names[i],
                edgeName: String(binding.sourceName || names[i]),
                resultType: String(type.baseType || "NOTHING"),
                timeout: Number(binding.timeout || 0)
            };
            type = type.dataShape ? columnsOf(String(type.dataShape)) : null;
            if (type) {
                row.resultFields = type;
            }
            result.AddRow(row);
        }
    }
}
