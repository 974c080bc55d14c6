package script

import (
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"time"

	"github.com/dop251/goja"

	"azx/alwayson/infotable"
)

// globalMembers are what a script finds without an object: the collections, the logger, the function libraries.
func globalMembers() members {
	return collectionMembers().with(dateMembers()).with(members{
		"logger":               loggerObject,
		"generateGUID":         method(generateGUID),
		"pause":                method(pause),
		"base64EncodeString":   method(base64EncodeString),
		"base64DecodeString":   method(base64DecodeString),
		"base64EncodeBytes":    method(base64EncodeBytes),
		"base64DecodeBytes":    method(base64DecodeBytes),
		"encryptPropertyValue": method(encryptPropertyValue),
		"formatNumber":         method(formatNumberCall),
		"distanceBetween":      method(distanceBetween),
		"containsLocation":     method(containsLocation),
	})
}

// generateGUID returns a random UUID.
func generateGUID(r *run, _ goja.FunctionCall) goja.Value {
	var b [16]byte
	_, err := rand.Read(b[:])
	r.check(err)
	b[6], b[8] = b[6]&0x0F|0x40, b[8]&0x3F|0x80
	return r.rt.ToValue(fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:]))
}

// pause waits so many milliseconds, but not longer than the script may run.
func pause(r *run, call goja.FunctionCall) goja.Value {
	ms, err := r.number(call.Argument(0), infotable.TypeInteger)
	r.check(named("pause", err))
	const longest = float64(24 * time.Hour / time.Millisecond)
	timer := time.NewTimer(time.Duration(max(0, min(ms, longest)) * float64(time.Millisecond)))
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-r.ctx.Done():
		r.over()
	}
	return goja.Undefined()
}

func argumentText(call goja.FunctionCall) string {
	if isMissing(call.Argument(0)) {
		return ""
	}
	return call.Argument(0).String()
}

func base64EncodeString(r *run, call goja.FunctionCall) goja.Value {
	return r.rt.ToValue(base64.StdEncoding.EncodeToString([]byte(argumentText(call))))
}

func base64DecodeString(r *run, call goja.FunctionCall) goja.Value {
	b, err := base64.StdEncoding.DecodeString(argumentText(call))
	r.check(named("base64DecodeString", err))
	return r.rt.ToValue(string(b))
}

func base64EncodeBytes(r *run, call goja.FunctionCall) goja.Value {
	object, ok := call.Argument(0).(*goja.Object)
	if !ok {
		r.throwf("base64EncodeBytes: expected a list of bytes, got %s", described(call.Argument(0)))
	}
	b, err := r.byteList(object)
	r.check(named("base64EncodeBytes: expected", err))
	return r.rt.ToValue(base64.StdEncoding.EncodeToString(b))
}

func base64DecodeBytes(r *run, call goja.FunctionCall) goja.Value {
	b, err := base64.StdEncoding.DecodeString(argumentText(call))
	r.check(named("base64DecodeBytes", err))
	all := make([]any, len(b))
	for i := range b {
		all[i] = b[i]
	}
	return r.rt.NewArray(all...)
}

// encryptPropertyValue asks the host's EncryptionServices.
func encryptPropertyValue(r *run, call goja.FunctionCall) goja.Value {
	services, ok := r.engine.host.Entity(r.ctx, "Resources", "EncryptionServices")
	if !ok {
		r.throwf("encryptPropertyValue: there is no resource EncryptionServices")
	}
	params := infotable.OneRow(infotable.Cell{Name: "data", Value: infotable.String(argumentText(call))})
	out, err := services.Call(r.ctx, "EncryptPropertyValue", params)
	r.over()
	r.check(err)
	return r.toJS(out)
}

// formatNumberCall formats a number by a pattern such as #,##0.00.
func formatNumberCall(r *run, call goja.FunctionCall) goja.Value {
	f, err := r.number(call.Argument(0), infotable.TypeNumber)
	r.check(named("formatNumber", err))
	pattern := "#,##0.###"
	if !isMissing(call.Argument(1)) {
		pattern = call.Argument(1).String()
	}
	text, err := formatNumber(f, pattern)
	r.check(named("formatNumber", err))
	return r.rt.ToValue(text)
}
