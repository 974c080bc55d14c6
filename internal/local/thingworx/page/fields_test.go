package page

import (
	"strings"
	"testing"

	"azx/alwayson/infotable"
)

func TestWhatAPersonTypesIsRead(t *testing.T) {
	shape := []infotable.Field{infotable.Column("n", infotable.TypeInteger)}
	rows := infotable.New(infotable.Column("n", infotable.TypeInteger), infotable.Column("b", infotable.TypeBoolean)).
		Add(infotable.Integer(1), infotable.Boolean(true))
	for _, tc := range []struct {
		t    infotable.BaseType
		text string
		want infotable.Value
	}{
		{infotable.TypeNumber, " 1.5 ", infotable.Number(1.5)},
		{infotable.TypeInteger, "7", infotable.Integer(7)},
		{infotable.TypeLong, "9007199254740993", infotable.Long(9007199254740993)},
		{infotable.TypeBoolean, "false", infotable.Boolean(false)},
		{infotable.TypeString, "a\r\nb", infotable.String("a\nb")},
		{infotable.TypeString, "", infotable.Nothing()},
		{infotable.TypeThingName, "Pump-1", infotable.Text(infotable.TypeThingName, "Pump-1")},
		{infotable.TypeJSON, `{"a":1}`, infotable.Text(infotable.TypeJSON, `{"a":1}`)},
		{infotable.TypeDateTime, "1577934245678", infotable.DateTime(1577934245678)},
		{infotable.TypeDateTime, "2020-01-02T03:04:05.678Z", infotable.DateTime(1577934245678)},
		{infotable.TypeDateTime, "2020-01-02", infotable.DateTime(1577923200000)},
		{infotable.TypeLocation, "48.1, 11.6", infotable.Location(infotable.Coordinates{Latitude: 48.1, Longitude: 11.6})},
		{infotable.TypeBlob, "aGk=", infotable.Blob([]byte("hi"))},
		{infotable.TypeVariant, "plain", infotable.String("plain")},
		{infotable.TypeInfotable, `[{"n": 1, "b": true}]`, infotable.FromTable(rows)},
		{infotable.TypeInfotable, `[]`, infotable.FromTable(infotable.New(shape...))},
	} {
		got, err := parse(tc.t, tc.text, shape)
		if err != nil || !got.Equal(tc.want) {
			t.Errorf("%s %q: got %s %v, want %v (%v)", tc.t, tc.text, got.Type(), got, tc.want, err)
			continue
		}
		if again, err := parse(tc.t, inputText(got), shape); err != nil || !again.Equal(got) && tc.t != infotable.TypeVariant {
			t.Errorf("%s %q: shown as %q it is %v (%v)", tc.t, tc.text, inputText(got), again, err)
		}
	}
}

func TestWhatIsNoValueIsRefusedWithAReason(t *testing.T) {
	for _, tc := range []struct {
		t          infotable.BaseType
		text, want string
	}{
		{infotable.TypeNumber, "much", "this is no NUMBER"},
		{infotable.TypeNumber, "NaN", "this is no NUMBER"},
		{infotable.TypeInteger, "1.5", "this is no INTEGER"},
		{infotable.TypeBoolean, "maybe", "this is no BOOLEAN"},
		{infotable.TypeJSON, "{a:1}", "this is no JSON"},
		{infotable.TypeDateTime, "yesterday", "2026-01-31T12:00:00Z"},
		{infotable.TypeLocation, "here", "latitude, longitude"},
		{infotable.TypeLocation, "1,2,3,4", "latitude, longitude"},
		{infotable.TypeInfotable, "[1]", "list of objects"},
		{infotable.TypeInfotable, `[{"n": "x"}]`, "row 1, column n"},
		{infotable.TypeBlob, "?", "this is no BLOB"},
	} {
		_, err := parse(tc.t, tc.text, []infotable.Field{infotable.Column("n", infotable.TypeInteger)})
		if err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s %q: got %v, want %q", tc.t, tc.text, err, tc.want)
		}
	}
}

func TestSecretsAreNotShown(t *testing.T) {
	for text, want := range map[string]string{
		"HostName=h;SharedAccessKeyName=k;SharedAccessKey=abc=;EntityPath=e": "HostName=h;SharedAccessKeyName=k;SharedAccessKey=(hidden);EntityPath=e",
		"AccountName=a;AccountKey=abc==":                                     "AccountName=a;AccountKey=(hidden)",
		"https://a.blob.core.windows.net/c?sv=1&sig=abc%3D&se=2":             "https://a.blob.core.windows.net/c?sv=1&sig=(hidden)&se=2",
		"the design=good of signal=3":                                        "the design=good of signal=3",
		"SharedAccessSignature sr=h&sig=x&se=1":                              "SharedAccessSignature sr=h&sig=(hidden)&se=1",
	} {
		if got := veil(text); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
	table := infotable.New(infotable.Column("name", infotable.TypeString), infotable.Column("value", infotable.TypeString),
		infotable.Column("password", infotable.TypeString), infotable.Column("p", infotable.TypePassword)).
		Add(infotable.String("hub.connectionString"), infotable.String("one"), infotable.String("two"), infotable.Text(infotable.TypePassword, "three")).
		Add(infotable.String("consumerGroup"), infotable.String("shown"), infotable.Nothing(), infotable.Nothing())
	g := gridOf(table)
	if r := g.Rows[0]; r[0].Text != "hub.connectionString" || r[1].Text != hiddenText || r[2].Text != hiddenText || r[3].Text != hiddenText {
		t.Errorf("got %+v", r)
	}
	if r := g.Rows[1]; r[1].Text != "shown" || !r[2].Empty {
		t.Errorf("got %+v", r)
	}
}

func TestALongTableIsCutAndSaysSo(t *testing.T) {
	table := infotable.New(infotable.Column("nested", infotable.TypeInfotable), infotable.Column("j", infotable.TypeJSON))
	inner := infotable.New(infotable.Column("x", infotable.TypeNumber)).Add(infotable.Number(1))
	for range mostGridRows + 1 {
		table.Add(infotable.FromTable(inner), infotable.Text(infotable.TypeJSON, `{"a":[1]}`))
	}
	g := gridOf(table)
	if !g.More || len(g.Rows) != mostGridRows || g.Total != mostGridRows+1 {
		t.Errorf("%d rows of %d", len(g.Rows), g.Total)
	}
	if r := g.Rows[0]; r[0].Table == nil || r[0].Table.Rows[0][0].Text != "1" || !r[1].Pre || !strings.Contains(r[1].Text, "\n  \"a\"") {
		t.Errorf("got %+v", r)
	}
}
