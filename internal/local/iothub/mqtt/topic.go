package mqtt

import (
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"strings"

	"azx/internal/local/iothub"
)

// errTopic means a device used a topic that is not one of its own.
var errTopic = errors.New("not a topic this device may publish to")

type topicKind uint8

const (
	telemetry topicKind = iota
	twinGet
	twinPatch
	methodReply
)

// topic is a parsed topic of a publication.
type topic struct {
	kind      topicKind
	bag       string // of telemetry: the properties, still escaped
	requestID string // of a twin request and of an answer: $rid
	status    int    // of an answer to a method
}

// parseTopic reads a topic a device publishes to (read, tried):
//
//	devices/{d}/messages/events[/{bag}]
//	devices/{d}/modules/{m}/messages/events[/{bag}]
//	$iothub/twin/GET/?$rid={n}, $iothub/twin/PATCH/properties/reported/?$rid={n}
//	$iothub/methods/res/{status}/?$rid={n}
//
// Ids stand in topics as they are; escaped ones are understood too.
func parseTopic(id iothub.ID, name string) (topic, error) {
	if request, ok := strings.CutPrefix(name, "$iothub/twin/"); ok {
		path, query, _ := strings.Cut(request, "?")
		switch path {
		case "GET/":
			return topic{kind: twinGet, requestID: requestID(query)}, nil
		case "PATCH/properties/reported/":
			return topic{kind: twinPatch, requestID: requestID(query)}, nil
		}
		return topic{}, fmt.Errorf("topic %q: %w", name, errTopic)
	}
	if answer, ok := strings.CutPrefix(name, "$iothub/methods/res/"); ok {
		return parseAnswer(name, answer)
	}
	for _, path := range [...]string{id.Path(), escaped(id).Path()} {
		rest, ok := strings.CutPrefix(name, path+"/messages/events")
		if ok && (rest == "" || rest[0] == '/') {
			return topic{kind: telemetry, bag: strings.TrimSuffix(strings.TrimPrefix(rest, "/"), "/")}, nil
		}
	}
	return topic{}, fmt.Errorf("topic %q: %w", name, errTopic)
}

// parseAnswer reads what follows $iothub/methods/res/.
func parseAnswer(name, answer string) (topic, error) {
	path, query, _ := strings.Cut(answer, "?")
	status, err := strconv.Atoi(strings.TrimSuffix(path, "/"))
	if err != nil {
		return topic{}, fmt.Errorf("topic %q: %w: the status is no number", name, errTopic)
	}
	return topic{kind: methodReply, requestID: requestID(query), status: status}, nil
}

// maySubscribe reports whether a topic filter reaches only what is for this device or module.
func maySubscribe(id iothub.ID, filter string) bool {
	switch filter {
	case filterTwinAnswers, filterDesired, filterMethods:
		return true
	}
	if strings.ContainsAny(id.String(), "+#") {
		return false // the id itself would act as a wildcard
	}
	for _, path := range [...]string{id.Path(), escaped(id).Path()} {
		rest, ok := strings.CutPrefix(filter, path+"/")
		switch {
		case !ok:
		case id.Module != "":
			return true // everything below a module is the module's
		default:
			return rest == "messages/devicebound/#" || rest == "messages/devicebound/"
		}
	}
	return false
}

func escaped(id iothub.ID) iothub.ID {
	return iothub.ID{Device: url.QueryEscape(id.Device), Module: url.QueryEscape(id.Module)}
}

// requestID finds $rid in "?$rid=1&$version=2" without the question mark.
func requestID(query string) string {
	for part := range strings.SplitSeq(query, "&") {
		if value, ok := strings.CutPrefix(part, "$rid="); ok {
			return value
		}
	}
	return ""
}

// hello is what a CONNECT packet says about who connects.
type hello struct {
	id      iothub.ID
	modelID string
}

// parseHello reads client id "{d}[/{m}]" and user name "{host}/{d}[/{m}]/?api-version=...", whose host may carry a port
// (read, tried). Both must name the same device.
func parseHello(names iothub.Names, clientID, user string) (hello, error) {
	var h hello
	h.id.Device, h.id.Module, _ = strings.Cut(clientID, "/")
	if err := h.id.Check(); err != nil {
		return hello{}, fmt.Errorf("client id: %w", err)
	}
	host, rest, _ := strings.Cut(user, "/")
	if !names.IsHost(host) {
		return hello{}, fmt.Errorf("user name is for hub %q, this one is %q", host, names.Host)
	}
	query, ok := strings.CutPrefix(rest, clientID+"/")
	if !ok {
		query, ok = strings.CutPrefix(rest, escaped(h.id).String()+"/")
	}
	if !ok {
		return hello{}, fmt.Errorf("user name %q does not go on with the client id %q and a slash", user, clientID)
	}
	options, err := url.ParseQuery(strings.TrimPrefix(query, "?"))
	if err != nil || options.Get("api-version") == "" {
		return hello{}, errors.New("user name: want {hub}/{device}/?api-version=2021-04-12")
	}
	h.modelID = options.Get("model-id")
	return h, nil
}
