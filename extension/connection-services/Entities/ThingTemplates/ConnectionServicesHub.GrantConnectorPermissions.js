// The connectors' group gets what connectors call themselves. The user System gets what the services of this package call
// inside: without that, a connector would need those rights as well.
var EVENTS = ["AuthenticationError", "ClearCacheEntry", "EdgeError", "FileNotFoundError", "InternalError", "ProtocolError",
    "ThingNotFoundError", "UserError", "WritePropertyError"];
var group = String(userGroupName || userGroupname || "AzxConnectors");
var organization = String(organizationName || organziationName || "AzxConnectorsOrg");
var platform = Subsystems["PlatformSubsystem"];
var connectors = ThingTemplates["ProtocolAdapterWithAvailability"];
var i;

function toGroup(type, resource) {
    return { type: type, resource: resource, principal: group, principalType: "Group", allow: true };
}

function toSystem(type, resource) {
    return { type: type, resource: resource, principal: "System", principalType: "User", allow: true };
}

if (!Groups[group]) {
    throw new Error("there is no group " + group);
}
if (!Organizations[organization]) {
    throw new Error("there is no organization " + organization);
}

// what a connector is
me.GrantThingTemplatePermissions({ ThingTemplateName: "ProtocolAdapterWithAvailability", userGroupName: group, organizationName: organization });
connectors.AddInstanceRunTimePermission(toGroup("ServiceInvoke", "GetInstanceId")); // to ask who has its name

// what it calls, and the events that it fires
me.AddRunTimePermission(toGroup("ServiceInvoke", "RegisterProtocolAdapter"));
for (i = 0; i < EVENTS.length; i++) {
    me.AddRunTimePermission(toGroup("EventInvoke", EVENTS[i]));
}
me.AddVisibilityPermission({ principal: organization, principalType: "Organization" });
platform.AddRunTimePermission(toGroup("ServiceInvoke", "GetExtensionPackageList"));
platform.AddVisibilityPermission({ principal: organization, principalType: "Organization" });

// what RegisterProtocolAdapter calls inside
Resources["EntityServices"].AddRunTimePermission(toSystem("ServiceInvoke", "CreateThing"));
Resources["CollectionFunctions"].AddCollectionDesignTimePermission({
    collectionName: "Things", type: "Create", principal: "System", principalType: "User", allow: true
});
connectors.AddInstanceRunTimePermission(toSystem("ServiceInvoke", "EnableThing"));
connectors.AddInstanceRunTimePermission(toSystem("ServiceInvoke", "IsDerivedFromTemplate"));
connectors.AddInstanceRunTimePermission(toSystem("ServiceInvoke", "RestartThing"));
connectors.AddInstanceRunTimePermission(toSystem("PropertyRead", "availabilityGroup"));
connectors.AddInstanceRunTimePermission(toSystem("PropertyWrite", "availabilityGroup"));

// what tells all connectors something
ThingTemplates["ProtocolAdapter"].AddRunTimePermission(toSystem("ServiceInvoke", "GetImplementingThings"));
connectors.AddInstanceRunTimePermission(toSystem("PropertyRead", "isConnected"));
connectors.AddInstanceRunTimePermission(toSystem("ServiceInvoke", "ClearCacheEntry"));
connectors.AddInstanceRunTimePermission(toSystem("ServiceInvoke", "ClearConnectorCacheEntry"));
connectors.AddInstanceRunTimePermission(toSystem("ServiceInvoke", "ConfigurationChanged"));

// what ClearExternallyBoundThings calls inside
connectors.AddInstanceRunTimePermission(toSystem("ServiceInvoke", "ClearConnectorBoundThings"));
