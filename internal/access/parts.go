package access

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"azx/internal/fault"
)

// maxString bounds a connection string, in bytes; real ones have about 200.
const maxString = 4096

// parts are the values of a connection string by their names.
type parts map[string]string

// splitParts reads "Name=value;Name=value" strictly: exactly the wanted names, each once, none
// empty. Only a key's value may contain '='. Its errors name parts and never show a value, since
// any value of a mangled string may hold the key.
func splitParts(op, text string, wanted []string) (parts, error) {
	const shape = "copy the whole string from the Azure portal again; it has the parts "
	refuse := func(format string, args ...any) error {
		return fault.Reject(op, shape+strings.Join(wanted, ", "), format, args...)
	}
	if len(text) > maxString {
		return nil, refuse("it has %d bytes, more than %d", len(text), maxString)
	}
	found := parts{}
	for i, piece := range strings.Split(strings.TrimSuffix(strings.TrimSpace(text), ";"), ";") {
		name, value, ok := strings.Cut(piece, "=")
		if !ok {
			return nil, refuse("part %d has no '='", i+1)
		}
		if err := found.add(name, value, wanted); err != nil {
			if hint := hintOfName(name); hint != "" {
				return nil, fault.Reject(op, hint, "%w", err)
			}
			return nil, refuse("part %d: %w", i+1, err)
		}
	}
	for _, name := range wanted {
		if _, ok := found[name]; !ok {
			return nil, refuse("%s is missing", name)
		}
	}
	return found, nil
}

func (p parts) add(name, value string, wanted []string) error {
	if !slices.Contains(wanted, name) {
		for _, known := range wanted {
			if strings.EqualFold(known, strings.TrimSpace(name)) {
				return fmt.Errorf("%s is not written as such", known)
			}
		}
		if slices.Contains(foreign, name) {
			return fmt.Errorf("%s does not belong in this string", name)
		}
		return errors.New("its name is unknown")
	}
	if _, twice := p[name]; twice {
		return fmt.Errorf("%s is given twice", name)
	}
	if value == "" {
		return fmt.Errorf("%s is empty", name)
	}
	if strings.ContainsAny(value, " \t\r\n\x00") {
		return fmt.Errorf("%s contains white space", name)
	}
	if name != partKey && strings.Contains(value, "=") {
		return fmt.Errorf("%s contains '='", name)
	}
	p[name] = value
	return nil
}

// Names of parts.
const (
	partHost     = "HostName"
	partPolicy   = "SharedAccessKeyName"
	partKey      = "SharedAccessKey"
	partEndpoint = "Endpoint"
	partEntity   = "EntityPath"
)

// foreign are names of parts that are public and belong to other strings; they may be shown.
var foreign = []string{
	partHost, partEndpoint, partEntity, "DeviceId", "ModuleId", "GatewayHostName", "x509",
	"SharedAccessSignature", "UseDevelopmentEmulator",
}

func hintOfName(name string) string {
	switch name {
	case "DeviceId", "ModuleId", "x509", "GatewayHostName":
		return "this is the string of a device; the connector needs that of a shared access policy of the hub with the right ServiceConnect"
	case "SharedAccessSignature":
		return "a ready-made token expires; give SharedAccessKeyName and SharedAccessKey"
	case "UseDevelopmentEmulator":
		return "connections without TLS are not supported"
	}
	return ""
}
