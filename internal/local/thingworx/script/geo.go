package script

import (
	"math"
	"strings"

	"github.com/dop251/goja"

	"azx/alwayson/infotable"
)

// distance is the great-circle distance of two points: in kilometres, miles (M) or nautical miles (N).
func distance(a, b infotable.Coordinates, units string) float64 {
	const radius, rad = 6371.0088, math.Pi / 180 // mean radius in km
	dLat, dLong := (b.Latitude-a.Latitude)*rad, (b.Longitude-a.Longitude)*rad
	h := math.Pow(math.Sin(dLat/2), 2) +
		math.Cos(a.Latitude*rad)*math.Cos(b.Latitude*rad)*math.Pow(math.Sin(dLong/2), 2)
	km := 2 * radius * math.Asin(math.Sqrt(min(1, h)))
	switch strings.ToUpper(units) {
	case "M":
		return km / 1.609344
	case "N":
		return km / 1.852
	default:
		return km
	}
}

func (r *run) point(what string, js goja.Value) infotable.Coordinates {
	v, err := r.fromJS(js, infotable.Column(what, infotable.TypeLocation), nil)
	r.check(named(what, err))
	c, ok := v.Location()
	if !ok {
		r.throwf("%s: the location is missing", what)
	}
	return c
}

func distanceBetween(r *run, call goja.FunctionCall) goja.Value {
	a, b := r.point("distanceBetween", call.Argument(0)), r.point("distanceBetween", call.Argument(1))
	units := "M"
	if !isMissing(call.Argument(2)) {
		units = call.Argument(2).String()
	}
	return r.rt.ToValue(distance(a, b, units))
}

// containsLocation tells whether a point is in the polygon that an infotable's locations are.
func containsLocation(r *run, call goja.FunctionCall) goja.Value {
	p := r.point("containsLocation", call.Argument(0))
	object, ok := call.Argument(1).(*goja.Object)
	if !ok || tableOf(object) == nil {
		r.throwf("containsLocation: the fence is an infotable of locations")
	}
	fence := tableOf(object).export()
	name := call.Argument(2).String()
	var corners []infotable.Coordinates
	for i := range fence.Rows {
		if c, ok := fence.At(i, name).Location(); ok {
			corners = append(corners, c)
		}
	}
	return r.rt.ToValue(inside(p, corners))
}

func inside(p infotable.Coordinates, corners []infotable.Coordinates) bool {
	in := false
	for i, a := range corners {
		b := corners[(i+1)%len(corners)]
		if (a.Latitude > p.Latitude) != (b.Latitude > p.Latitude) &&
			p.Longitude < (b.Longitude-a.Longitude)*(p.Latitude-a.Latitude)/(b.Latitude-a.Latitude)+a.Longitude {
			in = !in
		}
	}
	return in
}
