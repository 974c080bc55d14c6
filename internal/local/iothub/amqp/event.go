package amqp

import (
	"maps"
	"slices"

	"azx/internal/amqp10"
	"azx/internal/local/iothub"
)

// Annotations of an event (read: iot-hub-devguide-messages-construct; the type of iothub-enqueuedtime is inferred).
const (
	annotationSequence   = "x-opt-sequence-number"
	annotationOffset     = "x-opt-offset"
	annotationEnqueued   = "x-opt-enqueued-time"
	annotationDevice     = "iothub-connection-device-id"
	annotationModule     = "iothub-connection-module-id"
	annotationAuth       = "iothub-connection-auth-method"
	annotationGeneration = "iothub-connection-auth-generation-id"
	annotationHubTime    = "iothub-enqueuedtime"
	annotationSource     = "iothub-message-source"
	annotationSchema     = "dt-dataschema"
	annotationSubject    = "dt-subject"
	annotationInterface  = "iothub-interface-id"
)

// appendEvent writes an event as the message the Event Hubs-compatible endpoint sends.
func appendEvent(dst []byte, e *iothub.Event) []byte {
	dst = appendAnnotations(dst, e)
	dst = appendProperties(dst, &e.Message)
	if len(e.Properties) > 0 {
		var mark int
		dst, mark = amqp10.BeginMap(amqp10.AppendDescriptor(dst, amqp10.SectionApplicationProperties))
		for _, name := range slices.Sorted(maps.Keys(e.Properties)) {
			dst = amqp10.AppendString(amqp10.AppendString(dst, name), e.Properties[name])
		}
		dst = amqp10.EndMap(dst, mark, len(e.Properties))
	}
	return amqp10.AppendBinary(amqp10.AppendDescriptor(dst, amqp10.SectionData), e.Body)
}

func appendAnnotations(dst []byte, e *iothub.Event) []byte {
	dst, mark := amqp10.BeginMap(amqp10.AppendDescriptor(dst, amqp10.SectionAnnotations))
	dst = amqp10.AppendLong(amqp10.AppendSymbol(dst, annotationSequence), e.SequenceNumber)
	dst = amqp10.AppendString(amqp10.AppendSymbol(dst, annotationOffset), e.Offset)
	dst = amqp10.AppendTimestamp(amqp10.AppendSymbol(dst, annotationEnqueued), amqp10.TimestampOf(e.EnqueuedTime))
	dst = amqp10.AppendTimestamp(amqp10.AppendSymbol(dst, annotationHubTime), amqp10.TimestampOf(e.HubTime))
	pairs := 4
	for _, text := range [...]struct{ name, value string }{
		{annotationDevice, e.From.Device},
		{annotationModule, e.From.Module},
		{annotationAuth, e.AuthMethod},
		{annotationGeneration, e.GenerationID},
		{annotationSource, e.Source},
		{annotationSchema, e.DataSchema},
		{annotationSubject, e.Subject},
		{annotationInterface, e.InterfaceID},
		{annotationPartitionKey, e.PartitionKey},
	} {
		if text.value != "" {
			dst = amqp10.AppendString(amqp10.AppendSymbol(dst, amqp10.Symbol(text.name)), text.value)
			pairs++
		}
	}
	return amqp10.EndMap(dst, mark, pairs)
}

// appendProperties writes the properties section with all of its fields, also those no event has.
func appendProperties(dst []byte, m *iothub.Message) []byte {
	dst, mark := amqp10.BeginList(amqp10.AppendDescriptor(dst, amqp10.SectionProperties))
	dst = appendText(dst, m.MessageID)
	if m.UserID == "" {
		dst = amqp10.AppendNull(dst)
	} else {
		dst = amqp10.AppendBinary(dst, []byte(m.UserID))
	}
	dst = appendText(dst, m.To)
	dst = amqp10.AppendNull(amqp10.AppendNull(dst)) // subject, reply-to
	dst = appendText(dst, m.CorrelationID)
	dst = appendSymbol(appendSymbol(dst, m.ContentType), m.ContentEncoding)
	for range 5 { // absolute-expiry-time, creation-time, group-id, group-sequence, reply-to-group-id
		dst = amqp10.AppendNull(dst)
	}
	return amqp10.EndList(dst, mark, 13)
}

func appendText(dst []byte, s string) []byte {
	if s == "" {
		return amqp10.AppendNull(dst)
	}
	return amqp10.AppendString(dst, s)
}

func appendSymbol(dst []byte, s string) []byte {
	if s == "" {
		return amqp10.AppendNull(dst)
	}
	return amqp10.AppendSymbol(dst, amqp10.Symbol(s))
}
