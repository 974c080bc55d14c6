package amqp10

import "testing"

func TestUUIDsAreWrittenAndRead(t *testing.T) {
	const text = "0123abcd-4567-489a-8bcd-ef0123456789"
	u, ok := ParseUUID(text)
	if !ok || u.String() != text || u[0] != 0x01 || u[15] != 0x89 {
		t.Errorf("%q became %v, %v", text, u, ok)
	}
	if upper, ok := ParseUUID("0123ABCD-4567-489A-8BCD-EF0123456789"); !ok || upper != u {
		t.Errorf("capital digits became %v, %v", upper, ok)
	}
	for name, text := range map[string]string{
		"empty": "", "without dashes": "0123abcd4567489a8bcdef0123456789", "short": text[:35], "long": text + "0",
		"another letter": "g123abcd-4567-489a-8bcd-ef0123456789", "a dash in the wrong place": "0123abc-d4567-489a-8bcd-ef0123456789",
	} {
		t.Run(name, func(t *testing.T) {
			if u, ok := ParseUUID(text); ok || u != (UUID{}) {
				t.Errorf("%q became %v", text, u)
			}
		})
	}
}
