package thingworx

import "azx/extension/entity"

// builtinDataShapes are data shapes that every platform has (read: names, columns and base types), as far as packages of
// connectors name them.
func builtinDataShapes() []entity.DataShape {
	shape := func(name string, fields ...entity.Field) entity.DataShape {
		for i := range fields {
			fields[i].Ordinal = i
		}
		return entity.DataShape{Common: entity.Common{Name: name}, Fields: fields}
	}
	of := func(baseType string, names ...string) []entity.Field {
		out := make([]entity.Field, len(names))
		for i, name := range names {
			out[i] = entity.Field{Name: name, BaseType: baseType}
		}
		return out
	}
	mixed := func(lists ...[]entity.Field) []entity.Field {
		var all []entity.Field
		for _, l := range lists {
			all = append(all, l...)
		}
		return all
	}
	text := func(names ...string) []entity.Field { return of("STRING", names...) }
	return []entity.DataShape{
		shape("EntityList", text("name", "description")...),
		shape("RootEntityList", mixed(text("name", "description"), of("MASHUPNAME", "homeMashup"), of("TAGS", "tags"),
			of("IMAGELINK", "avatar"), of("BOOLEAN", "isSystemObject"))...),
		shape("EntityDescriptor", text("id", "name", "type", "parentName", "parentType", "description")...),
		shape("EntityReference", text("name", "type")...),
		shape("VTQ", mixed(of("VARIANT", "value"), of("DATETIME", "time"), text("quality"))...),
		shape("NamedVTQ", mixed(text("name"), of("VARIANT", "value"), of("DATETIME", "time"), text("quality"))...),
		shape("EdgeThingPropertyNotification", mixed(text("edgeName", "pushType"), of("NUMBER", "pushThreshold"))...),
		shape("EdgeThingEventNotification", text("edgeName")...),
		shape("RemoteEvent", mixed(text("eventName"), of("DATETIME", "eventTime"), of("INFOTABLE", "eventData"))...),
		shape("GenericStringList", text("item")...),
		shape("PropertyList", text("propertyName")...),
		shape("FieldDefinition", mixed(text("name", "description"), of("BASETYPENAME", "baseType"), of("BOOLEAN", "isPrimaryKey"),
			of("DATASHAPENAME", "dataShape"))...),
		shape("PropertyDefinition", mixed(text("name", "description"), of("BASETYPENAME", "baseType"), text("category"),
			of("BOOLEAN", "isReadOnly", "isPersistent", "isLogged"))...),
		shape("ServiceDefinition", mixed(text("name", "description"), of("INFOTABLE", "parameterDefinitions", "resultType"))...),
		shape("EventDefinition", text("name", "description", "dataShape")...),
		shape("RemotePropertyBinding", mixed(text("name", "sourceName", "pushType"), of("NUMBER", "pushThreshold"), of("INTEGER", "timeout"),
			of("JSON", "aspects"))...),
		shape("RemoteServiceBinding", mixed(text("name", "sourceName"), of("INTEGER", "timeout"))...),
		shape("Permissions", mixed(text("name", "type", "permissionName"), of("BOOLEAN", "isPermitted"))...),
		shape("RunTimePermissions", mixed(text("name", "type", "permissionName", "resourceName"), of("BOOLEAN", "isPermitted"))...),
		shape("DataChangeEvent", of("INFOTABLE", "newValue", "oldValue")...),
		shape("AnyDataChangeEvent", mixed(text("name"), of("INFOTABLE", "newValue", "oldValue"))...),
		shape("ThingStartEvent"),
		shape("TimerEvent", of("DATETIME", "timestamp")...),
		shape("ThingworxMetric", mixed(text("name", "description"), of("NUMBER", "value"))...),
		shape("SystemInformation", text("name", "description", "value")...),
		shape("SubsystemStatus", mixed(text("name", "friendlyName", "description", "state"), of("BOOLEAN", "isRunning", "enabled", "autoStart"))...),
		shape("LogEntry", mixed(of("DATETIME", "timestamp"), text("level", "content", "origin", "instance", "platformId", "session", "thread"),
			of("USERNAME", "user"))...),
		shape("FileSystemFile", mixed(text("name", "path", "fileType"), of("NUMBER", "size"), of("DATETIME", "lastModifiedDate"))...),
		shape("FileSystemDirectory", text("name", "path", "parentPath")...),
		shape("FileTransferJob", mixed(text("transferId", "state", "message", "sourceRepository", "sourcePath", "sourceFile", "sourceChecksum",
			"targetRepository", "targetPath", "targetFile", "targetChecksum", "reservationId", "user"), of("INTEGER", "code", "duration", "blockSize",
			"blockCount"), of("NUMBER", "size", "maxSize", "bytesTransferred", "startPosition", "enqueueCount"), of("DATETIME", "startTime",
			"endTime", "enqueueTime"), of("BOOLEAN", "isAsync", "isComplete", "isQueueable", "isRestartEnabled"), of("JSON", "metadata"))...),
		shape("ExtensionPackage", text("name", "vendor", "description", "packageVersion", "minimumThingWorxVersion", "buildNumber")...),
		shape("NumberValueStream", mixed(text("id"), of("DATETIME", "timestamp"), of("NUMBER", "value"))...),
		shape("StringValueStream", mixed(text("id"), of("DATETIME", "timestamp"), text("value"))...),
	}
}
