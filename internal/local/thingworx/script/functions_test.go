package script

import (
	"strings"
	"testing"
	"time"

	"azx/alwayson/infotable"
)

func TestFunctions(t *testing.T) {
	number := infotable.TypeNumber
	const at = "Things/Pump/Services/S: "
	runAll(t, []script{
		{name: "base64EncodeString", code: `var result = base64EncodeString("hä");`, want: "aMOk"},
		{name: "base64DecodeString", code: `var result = base64DecodeString("aMOk");`, want: "hä"},
		{name: "base64DecodeString of other text", code: `base64DecodeString("%");`, fails: true,
			want: at + "line 1, column 19: base64DecodeString: illegal base64 data at input byte 0"},
		{name: "base64EncodeBytes", code: `var result = base64EncodeBytes([104, -1]);`, want: "aP8="},
		{name: "base64DecodeBytes", code: `var b = base64DecodeBytes("aP8="); var result = Array.isArray(b) + b.join();`, want: "true104,255"},
		{name: "encryptPropertyValue", code: `var result = encryptPropertyValue("x");`, want: "secret(x)"},
		{name: "formatNumber", code: `var result = [formatNumber(1234567.891, "#,##0.00"), formatNumber(0.5, "0.0%"), formatNumber(-7, "000"), formatNumber(3, "#.##"), formatNumber(0.25, "#.0"), formatNumber(-2, "0;(0)"), formatNumber(-0.001, "0.0"), formatNumber(1e3)].join(" ");`,
			want: "1,234,567.89 50.0% -007 3 .2 (2) 0.0 1,000"},
		{name: "formatNumber of no number", code: `formatNumber(NaN, "0");`, fails: true, want: at + "line 1, column 13: formatNumber: NaN has no decimal form"},
		{name: "distanceBetween", code: `var a = {latitude: 52.52, longitude: 13.405}, b = {latitude: 48.137, longitude: 11.575}; var result = [distanceBetween(a, b, "K"), distanceBetween(a, b, "M"), distanceBetween(a, b, "N")].map(Math.round).join();`, want: "504,313,272"},
		{name: "containsLocation", code: `var f = Resources.InfoTableFunctions.CreateInfoTable(); f.AddField({name: "l", baseType: "LOCATION"}); [[0, 0], [0, 10], [10, 10], [10, 0]].forEach(function(p) { f.AddRow({l: {latitude: p[0], longitude: p[1]}}); });
			var result = "" + containsLocation({latitude: 5, longitude: 5}, f, "l") + containsLocation({latitude: 5, longitude: 15}, f, "l");`, want: "truefalse"},
		{name: "dateAdd", code: `var d = parseDateISO("2024-01-31T10:00:00.000Z"); var f = function(x) { return dateFormatISO(x).slice(0, 19); }; var result = [f(dateAddMonths(d, 1)), f(dateAddYears(d, -1)), f(dateAddDays(d, 1)), f(dateAddHours(d, 1.5)), f(dateAddMinutes(d, -1)), f(dateAddSeconds(d, 5)), dateAddMilliseconds(d, 7) - d].join(" ");`,
			want: "2024-02-29T10:00:00 2023-01-31T10:00:00 2024-02-01T10:00:00 2024-01-31T11:30:00 2024-01-31T09:59:00 2024-01-31T10:00:05 7"},
		{name: "dateAdd beyond all dates", code: `dateAddYears(new Date(), 1e9);`, fails: true, want: at + "line 1, column 13: the date is out of range"},
		{name: "dateAdd to no date", code: `dateAddDays(undefined, 1);`, fails: true, want: at + "line 1, column 12: the date is missing"},
		{name: "dateDifference", code: `var result = dateDifference(new Date(50), new Date(8));`, result: number, want: "42"},
		{name: "dateMin and dateMax", code: `var result = dateMin(new Date(5), new Date(8)).getTime() * 10 + dateMax(new Date(5), new Date(8)).getTime();`, result: number, want: "58"},
		{name: "dateDayOfWeek and dateDayOfYear", code: `var d = new Date(2024, 1, 4); var result = dateDayOfWeek(d) + "/" + dateDayOfYear(d) + "/" + dateDayOfWeek(dateAddDays(d, 1));`, want: "7/35/1"},
		{name: "dateOffset", code: `var d = new Date(2024, 6, 4); var result = dateOffset(d) + d.getTimezoneOffset() * 60000;`, result: number, want: "0"},
		{name: "dateFormat", code: `var d = new Date(2024, 1, 4, 15, 6, 7, 89); var result = [dateFormat(d, "yyyy-MM-dd HH:mm:ss.SSS"), dateFormat(d, "d/M/yy h:m:s a"), dateFormat(d, "EEE EEEE MMM MMMM"), dateFormat(d, "'at' D ''kk")].join("|");`,
			want: "2024-02-04 15:06:07.089|4/2/24 3:6:7 PM|Sun Sunday Feb February|at 35 '15"},
		{name: "dateFormat with an unknown letter", code: `dateFormat(new Date(), "yyyy-Q");`, fails: true, want: at + "line 1, column 11: dateFormat: the pattern's letter Q is not known"},
		{name: "parseDate", code: `var f = function(d) { return dateFormat(d, "yyyy-MM-dd HH:mm:ss.SSS"); }; var result = [f(parseDate("2024-02-04 15:06:07.089", "yyyy-MM-dd HH:mm:ss.SSS")), f(parseDate("20240204", "yyyyMMdd")), f(parseDate("4 Feb 24, 3:06 PM", "d MMM yy, h:mm a"))].join("|");`,
			want: "2024-02-04 15:06:07.089|2024-02-04 00:00:00.000|2024-02-04 15:06:00.000"},
		{name: "parseDate with an offset", code: `var result = parseDate("1970-01-01T01:00+0100", "yyyy-MM-dd'T'HH:mmZ").getTime();`, result: number, want: "0"},
		{name: "parseDate of another text", code: `parseDate("2024", "yyyy-MM");`, fails: true, want: at + `line 1, column 10: parseDate: "2024" does not fit the pattern "yyyy-MM"`},
		{name: "parseDateISO", code: `var result = parseDateISO("1970-01-01T00:00:01.5Z").getTime() + parseDateISO("1970-01-01T02:00:00+0200").getTime();`, result: number, want: "1500"},
		{name: "parseDateISO of another text", code: `parseDateISO("today");`, fails: true, want: at + `line 1, column 13: parseDateISO: expected a date in ISO 8601, got "today"`},
		{name: "are functions to typeof and can be replaced", code: `var before = typeof generateGUID; generateGUID = function() { return "mine"; }; var result = before + generateGUID();`, want: "functionmine"},
	})
}

func TestGenerateGUIDGivesAnotherEachTime(t *testing.T) {
	v, err := runOne(newHost(), `var result = generateGUID() + generateGUID();`, infotable.TypeString)
	text, _ := v.Text()
	if err != nil || len(text) != 72 || text[:36] == text[36:] || text[14] != '4' {
		t.Errorf("got %q, %v", text, err)
	}
}

func TestTheLogger(t *testing.T) {
	h := newHost()
	code := `logger.info("plain"); logger.warn("{} and {}", 1, {a: 2}); logger.error("{}", new Error("e")); logger.debug("{} {}", "one"); logger.trace("x", 1); logger.info("{} {}", me, [1, me.place.latitude]); logger.info(); logger.info("{}", null);`
	if _, err := runOne(h, code, infotable.TypeNothing); err != nil {
		t.Fatal(err)
	}
	want := `info log: plain
warn log: 1 and {"a":2}
error log: Error: e
debug log: one {}
trace log: x
info log: Pump [1,1]
info log: 
info log: null`
	if got := h.logged(); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

func TestALongLineOfTheLogIsCut(t *testing.T) {
	h := newHost()
	if _, err := runOne(h, `var s = "ä"; while (s.length < 100000) { s += s; } logger.info(s);`, infotable.TypeNothing); err != nil {
		t.Fatal(err)
	}
	if got := h.logged(); len(got) > maxLogged+20 || !strings.HasSuffix(got, "ä...") {
		t.Errorf("got %d bytes that end in %q", len(got), got[len(got)-10:])
	}
}

func TestDatePatternsAreReadAsTheyAreWritten(t *testing.T) {
	at := time.Date(2024, 2, 29, 23, 58, 1, 5e6, time.Local)
	for _, pattern := range []string{"yyyy-MM-dd'T'HH:mm:ss.SSSZZ", "EEEE, d MMMM yyyy h:mm:ss.SSS a", "yyMMddHHmmssSSS"} {
		text, err := formatDate(at, pattern)
		if err != nil {
			t.Fatal(err)
		}
		if back, err := parseDate(text, pattern); err != nil || !back.Equal(at) {
			t.Errorf("%s: %q became %v, %v", pattern, text, back, err)
		}
	}
}
