package thingworx

import (
	"slices"

	"azx/alwayson/infotable"
	"azx/extension/entity"
)

// Version is what the platform says it is when asked by GetThingworxVersion.
const Version = "9.3.0-azx"

// Names of Resources and Subsystems (read).
const (
	resourceEntities    = "EntityServices"
	resourceSession     = "CurrentSessionInfo"
	resourceEncryption  = "EncryptionServices"
	resourceSearch      = "SearchFunctions"
	resourceDevices     = "DeviceFunctions"
	resourceCollections = "CollectionFunctions"
	resourceTables      = "InfoTableFunctions"
	resourceScripts     = "ScriptServices"
	subsystemPlatform   = "PlatformSubsystem"
	subsystemWS         = "WSCommunicationsSubsystem"
)

// builtinResources are the Resources and Subsystems that are served here.
func builtinResources() []*entry {
	resource := func(kind EntityKind, name, description string, services []*service) *entry {
		return &entry{kind: kind, about: entity.Common{Name: name, Description: description}, services: services}
	}
	return []*entry{
		resource(EntityResource, resourceEntities, "Makes and deletes entities", slices.Concat(thingServices(), modelServices())),
		resource(EntityResource, resourceSession, "Who asks", sessionServices()),
		resource(EntityResource, resourceEncryption, "Encrypts and decrypts", encryptionServices()),
		resource(EntityResource, resourceSearch, "Finds entities", searchServices()),
		resource(EntityResource, resourceDevices, "What is bound", deviceServices()),
		resource(EntityResource, resourceCollections, "Permissions of whole collections", collectionServices()),
		resource(EntityResource, resourceTables, "Table functions of scripts", nil), // carried out where scripts run
		resource(EntityResource, resourceScripts, "Reads scripts without running them", scriptServices()),
		resource(EntitySubsystem, subsystemPlatform, "The platform", platformServices()),
		resource(EntitySubsystem, subsystemWS, "AlwaysOn connections", []*service{
			native("IsRunning", "Whether connections are accepted", nil, tBoolean, func(*Platform, *call) (infotable.Value, error) {
				return infotable.Boolean(true), nil
			}),
		}),
	}
}

// nativeServices are those of every entity of the model, by collection; those of collections that are not in it are under "".
func nativeServices() map[EntityKind][]*service {
	common := slices.Concat(permissionServices(), descriptionServices())
	implemented := slices.Concat(common, instancePermissionServices(), implementingServices())
	return map[EntityKind][]*service{
		"":                   common,
		EntityTemplate:       slices.Concat(implemented, templateServices()),
		EntityShape:          implemented,
		EntityDataShape:      slices.Concat(common, dataShapeServices()),
		EntityGroup:          slices.Concat(common, groupServices()),
		EntityOrganization:   slices.Concat(common, organizationServices()),
		EntityUser:           slices.Concat(common, userServices()),
		EntityApplicationKey: slices.Concat(common, keyServices()),
	}
}

// entityServices returns the services that entities of a collection have besides their own.
func (p *Platform) entityServices(kind EntityKind) []*service {
	if s, ok := p.natives[kind]; ok {
		return s
	}
	return p.natives[""]
}

// descriptionServices are those that every entity has (read).
func descriptionServices() []*service {
	about := func(what func(*entity.Common) infotable.Value) func(*Platform, *call) (infotable.Value, error) {
		return func(_ *Platform, c *call) (infotable.Value, error) {
			found, _ := c.subject().about()
			return what(&found), nil
		}
	}
	return []*service{
		native("GetDescription", "What the entity is for", nil, tString, about(func(a *entity.Common) infotable.Value { return infotable.String(a.Description) })),
		native("GetTags", "Tags of the entity", nil, tTags, about(func(a *entity.Common) infotable.Value { return infotable.Text(tTags, a.Tags) })),
		native("GetProjectName", "Project of the entity", nil, tString, about(func(a *entity.Common) infotable.Value { return infotable.String(a.Project) })),
		native("GetHomeMashup", "Mashup of the entity", nil, infotable.TypeMashupName, about(func(a *entity.Common) infotable.Value {
			return infotable.Text(infotable.TypeMashupName, a.HomeMashup)
		})),
	}
}
