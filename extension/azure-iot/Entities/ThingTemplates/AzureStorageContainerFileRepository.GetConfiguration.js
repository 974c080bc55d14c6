// The settings of the storage account, with the container of this Thing.
var table = me.GetConfigurationTable({ tableName: "ContainerSettings" });
var settings = table.rows.length > 0 ? table.rows[0] : {};
var storageName = settings.storageThing ? String(settings.storageThing) : "";
var account, i, n;
var result = Resources["InfoTableFunctions"].CreateInfoTableFromDataShape({
    infoTableName: "settings", dataShapeName: "AzureIotSetting"
});

if (storageName !== "") {
    if (!Things[storageName]) {
        throw new Error("storageThing of " + me.name + " is " + storageName + ", which does not exist");
    }
    account = Things[storageName].GetConfiguration();
    n = account.rows.length;
    for (i = 0; i < n; i++) {
        if (String(account.rows[i].name) !== "containerName") {
            result.AddRow({ name: String(account.rows[i].name), value: String(account.rows[i].value) });
        }
    }
}
if (settings.containerName) {
    result.AddRow({ name: "containerName", value: String(settings.containerName) });
}
