// Rights are those for what connectors call themselves, on the Things of the template: nothing on properties, which
// UpdateSubscribedPropertyValues writes.
var SERVICES = ["GetEventSubscriptions", "GetPropertyDefinitions", "GetPropertySubscriptions", "ProcessRemoteEvents",
    "UpdateSubscribedPropertyValues"];
var group = String(userGroupName || userGroupname || "AzxConnectors");
var organization = String(organizationName || organziationName || "AzxConnectorsOrg");
var template = ThingTemplates[ThingTemplateName];
var i;

if (!template) {
    throw new Error("there is no template " + ThingTemplateName);
}
if (String(ThingTemplateName) !== "RemoteThing" && !template.IsDerivedFromTemplate({ thingTemplateName: "RemoteThing" })) {
    throw new Error("the template " + ThingTemplateName + " does not derive from RemoteThing: connectors have no use for its Things");
}
if (!Groups[group]) {
    throw new Error("there is no group " + group);
}
if (!Organizations[organization]) {
    throw new Error("there is no organization " + organization);
}
for (i = 0; i < SERVICES.length; i++) {
    template.AddInstanceRunTimePermission({ type: "ServiceInvoke", resource: SERVICES[i], principal: group, principalType: "Group", allow: true });
}
template.AddInstanceVisibilityPermission({ principal: organization, principalType: "Organization" });
