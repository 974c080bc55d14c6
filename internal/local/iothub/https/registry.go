package https

import (
	"net/http"
	"strconv"

	"azx/internal/local/iothub"
	"azx/internal/local/iothub/document"
)

// maxList is how many devices a list has at most (read).
const maxList = 1000

func (f *front) getIdentity(r *request) error {
	if err := f.hub.Admit(iothub.OpRegistry, 0); err != nil {
		return err
	}
	identity, err := f.hub.Registry().Get(r.id)
	if err != nil {
		return err
	}
	f.replyIdentity(r, identity)
	return nil
}

func (f *front) replyIdentity(r *request, identity iothub.Identity) {
	r.w.Header()["ETag"] = []string{quoted(identity.ETag)}
	reply(r.w, http.StatusOK, f.describe(identity))
}

func quoted(etag string) string { return `"` + etag + `"` }

// putIdentity creates a device or module, or with If-Match changes it.
func (f *front) putIdentity(r *request) error {
	if err := f.hub.Admit(iothub.OpRegistry, 0); err != nil {
		return err
	}
	var change document.Change
	if err := r.decode(&change); err != nil {
		return err
	}
	if change.DeviceID != r.id.Device || change.ModuleID != r.id.Module {
		return invalid("the body is about %q, the path about %q", iothub.ID{Device: change.DeviceID, Module: change.ModuleID}, r.id)
	}
	spec, err := change.Spec(r.id)
	if err != nil {
		return err
	}
	identity, err := f.put(spec, r.Header.Get("If-Match"))
	if err != nil {
		return err
	}
	f.replyIdentity(r, identity)
	return nil
}

func (f *front) put(spec iothub.Spec, ifMatch string) (iothub.Identity, error) {
	if ifMatch != "" {
		return f.hub.Registry().Update(spec, ifMatch)
	}
	added, err := f.hub.Registry().Add(spec)
	if err != nil {
		return iothub.Identity{}, err
	}
	return added[0], nil
}

func (f *front) deleteIdentity(r *request) error {
	err := f.hub.Admit(iothub.OpRegistry, 0)
	if err == nil {
		err = f.hub.Registry().RemoveMatching(r.id, r.Header.Get("If-Match"))
	}
	if err == nil {
		answer(r.w, http.StatusNoContent, nil)
	}
	return err
}

// listDevices answers with devices, without their modules: ?top=N.
func (f *front) listDevices(r *request) error {
	top := maxList
	if text := r.URL.Query().Get("top"); text != "" {
		var err error
		if top, err = strconv.Atoi(text); err != nil || top < 1 || top > maxList {
			return invalid("top=%q: want 1 to %d", text, maxList)
		}
	}
	if err := f.hub.Admit(iothub.OpRegistry, 0); err != nil {
		return err
	}
	list := []identityDocument{}
	for _, identity := range f.hub.Registry().List() {
		if identity.Module == "" && len(list) < top {
			list = append(list, f.describe(identity))
		}
	}
	reply(r.w, http.StatusOK, list)
	return nil
}

func (f *front) listModules(r *request) error {
	if err := f.hub.Admit(iothub.OpRegistry, 0); err != nil {
		return err
	}
	modules, err := f.hub.Registry().Modules(r.id.Device)
	if err != nil {
		return err
	}
	list := make([]identityDocument, len(modules))
	for i, identity := range modules {
		list[i] = f.describe(identity)
	}
	reply(r.w, http.StatusOK, list)
	return nil
}

func (f *front) deviceStatistics(r *request) error {
	return f.count(r, func(devices []iothub.Identity) any {
		disabled := 0
		for _, identity := range devices {
			if identity.Disabled {
				disabled++
			}
		}
		return map[string]int{"totalDeviceCount": len(devices), "enabledDeviceCount": len(devices) - disabled, "disabledDeviceCount": disabled}
	})
}

func (f *front) serviceStatistics(r *request) error {
	return f.count(r, func(devices []iothub.Identity) any {
		connected := 0
		for _, identity := range devices {
			if f.hub.Presence(identity.ID).Connected {
				connected++
			}
		}
		return map[string]int{"connectedDeviceCount": connected}
	})
}

func (f *front) count(r *request, what func(devices []iothub.Identity) any) error {
	if err := f.hub.Admit(iothub.OpRegistry, 0); err != nil {
		return err
	}
	var devices []iothub.Identity
	for _, identity := range f.hub.Registry().List() {
		if identity.Module == "" {
			devices = append(devices, identity)
		}
	}
	reply(r.w, http.StatusOK, what(devices))
	return nil
}
