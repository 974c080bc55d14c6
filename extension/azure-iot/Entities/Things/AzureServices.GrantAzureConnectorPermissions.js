// The connectors' group gets what connectors call themselves. The user System gets what the services of this package call
// inside: without that, a connector would need those rights as well.
var SERVICES = {
    AzureIotHubTemplate: ["GetConfiguration", "GetDeviceThings", "GetRoutingGroup", "Ping"],
    AzureIotThing: ["GetAzureRemoteProperties", "GetAzureRemoteServices", "Ping"],
    AzureBlobStorageTemplate: ["GetConfiguration"],
    AzureStorageContainerFileRepository: ["GetConfiguration"]
};
var EVENTS = ["AzureIotDeviceAbsent", "AzureIotDevicePresent", "AzureIotMessageOutcome"];
var HUB_EVENTS = ["AzureDeviceJobFinishedEvent", "AzureThingImportStatusEvent", "AzureThingLifecycleEvent"];
var REMOTE = ["AzureIotHubTemplate", "AzureIotThing", "AzureStorageContainerFileRepository"];
var INSIDE = {
    AzureIotHubTemplate: ["GetConfigurationTable"],
    AzureIotThing: ["GetPropertyDefinitions", "GetRemotePropertyBinding", "GetRemoteServiceBinding", "GetServiceDefinitions", "IsEnabled"],
    AzureBlobStorageTemplate: ["GetConfigurationTable", "GetConfiguration"],
    AzureStorageContainerFileRepository: ["GetConfigurationTable", "IsEnabled"]
};
var INSIDE_PROPERTIES = {
    AzureIotThing: ["gatewayThing", "presenceTimeout", "writeVia"],
    AzureStorageContainerFileRepository: ["gatewayThing"]
};
var group = String(userGroupName || userGroupname || "AzxConnectors");
var organization = String(organizationName || organziationName || "AzxConnectorsOrg");
var hub = Things["ConnectionServicesHub"];
var i;

function toGroup(type, resource) {
    return { type: type, resource: resource, principal: group, principalType: "Group", allow: true };
}

function toSystem(type, resource) {
    return { type: type, resource: resource, principal: "System", principalType: "User", allow: true };
}

// Each of what is listed by template, on the Things of the template.
function onInstances(lists, right, type) {
    var names = Object.keys(lists), j, k;
    for (j = 0; j < names.length; j++) {
        for (k = 0; k < lists[names[j]].length; k++) {
            ThingTemplates[names[j]].AddInstanceRunTimePermission(right(type, lists[names[j]][k]));
        }
    }
}

if (!hub) {
    throw new Error("there is no Thing ConnectionServicesHub: import the package azx-connection-services");
}
me.AddAdapterServices(); // the hub Thing has the events of the shape from here on

// what a connector calls, and the events that it fires
for (i = 0; i < REMOTE.length; i++) {
    hub.GrantThingTemplatePermissions({ ThingTemplateName: REMOTE[i], userGroupName: group, organizationName: organization });
}
onInstances(SERVICES, toGroup, "ServiceInvoke");
for (i = 0; i < EVENTS.length; i++) {
    ThingTemplates["AzureIotThing"].AddInstanceRunTimePermission(toGroup("EventInvoke", EVENTS[i]));
}
for (i = 0; i < HUB_EVENTS.length; i++) {
    hub.AddRunTimePermission(toGroup("EventInvoke", HUB_EVENTS[i]));
}
ThingTemplates["AzureBlobStorageTemplate"].AddInstanceVisibilityPermission({ principal: organization, principalType: "Organization" });
me.AddRunTimePermission(toGroup("ServiceInvoke", "AddAdapterServices"));
me.AddVisibilityPermission({ principal: organization, principalType: "Organization" });

// what import, life cycle and first messages take, by choice: a connector then makes Things, gives them remote properties that they
// do not have, and disables those of devices
if (manageThings) {
    Resources["EntityServices"].AddRunTimePermission(toGroup("ServiceInvoke", "CreateThing"));
    Resources["EntityServices"].AddVisibilityPermission({ principal: organization, principalType: "Organization" });
    Resources["CollectionFunctions"].AddCollectionDesignTimePermission({
        collectionName: "Things", type: "Create", principal: group, principalType: "Group", allow: true
    });
    onInstances({ AzureIotThing: ["DeclareRemoteProperties", "DisableThing", "EnableThing"] }, toGroup, "ServiceInvoke");
    onInstances({ AzureIotThing: ["gatewayThing"] }, toGroup, "PropertyRead");
    onInstances({ AzureIotThing: ["gatewayThing"] }, toGroup, "PropertyWrite");
    ThingTemplates["AzureIotThing"].AddRunTimePermission(toGroup("ServiceInvoke", "GetInstancePropertyDefinitions"));
    ThingTemplates["AzureIotThing"].AddVisibilityPermission({ principal: organization, principalType: "Organization" });
    // what DeclareRemoteProperties calls inside
    onInstances({ AzureIotThing: ["AddPropertyDefinition", "GetAzureRemoteProperties", "RestartThing"] }, toSystem, "ServiceInvoke");
    ThingTemplates["AzureIotThing"].AddInstanceDesignTimePermission({
        type: "Update", principal: "System", principalType: "User", allow: true
    });
}

// what those services call inside
onInstances(INSIDE, toSystem, "ServiceInvoke");
onInstances(INSIDE_PROPERTIES, toSystem, "PropertyRead");
ThingTemplates["AzureIotHubTemplate"].AddInstanceRunTimePermission(toSystem("EventInvoke", "ConfigurationChanged"));
ThingTemplates["AzureIotThing"].AddRunTimePermission(toSystem("ServiceInvoke", "GetInstanceServiceDefinitions"));
ThingTemplates["AzureIotHubTemplate"].AddRunTimePermission(toSystem("ServiceInvoke", "GetImplementingThings"));
ThingShapes["RoutedEgress"].AddRunTimePermission(toSystem("ServiceInvoke", "GetImplementingThings"));
Resources["InfoTableFunctions"].AddRunTimePermission(toSystem("ServiceInvoke", "CreateInfoTableFromDataShape"));
Resources["CollectionFunctions"].AddCollectionRunTimePermission({
    collectionName: "DataShapes", type: "ServiceInvoke", resource: "GetFieldDefinitions", principal: "System", principalType: "User", allow: true
});
Resources["EntityServices"].AddRunTimePermission(toSystem("ServiceInvoke", "AddShapeToThing"));
hub.AddRunTimePermission(toSystem("ServiceInvoke", "ImplementsShape"));
hub.AddDesignTimePermission({ type: "Update", principal: "System", principalType: "User", allow: true });
try {
    Resources["EncryptionServices"].AddRunTimePermission(toSystem("ServiceInvoke", "DecryptPropertyValue"));
} catch (e) {
    logger.warn("this platform may not decrypt the secrets of hub Things for connectors: {}", e.message);
}
