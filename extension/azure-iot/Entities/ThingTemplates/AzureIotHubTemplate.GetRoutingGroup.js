// A setting that is null stays null: connectors refuse to start then, and say where to set it.
var table = me.GetConfigurationTable({ tableName: "RoutingSettings" });
var group = table.rows.length > 0 ? table.rows[0].routingGroup : "${hub-thing-name}";
var result = null;

if (group !== undefined && group !== null) {
    result = String(group).split("${hub-thing-name}").join(me.name);
}
