package security

import (
	"fmt"
	"testing"

	"azx/extension/entity"
)

// large is a book of 1,000 users in 50 groups, each group in one of 5, and permissions as an imported package has them.
func large(b *testing.B) (*Book, [][]entity.Grant) {
	b.Helper()
	var users []entity.User
	groups := make([]entity.Group, 55)
	for n := range groups {
		groups[n] = newGroup(fmt.Sprint("g", n))
	}
	for n := range 50 {
		groups[50+n%5].Members = append(groups[50+n%5].Members, group(fmt.Sprint("g", n)))
	}
	for n := range 1000 {
		users = append(users, newUser(fmt.Sprint("u", n)))
		groups[n%50].Members = append(groups[n%50].Members, user(fmt.Sprint("u", n)))
	}
	book, err := NewBook(users, groups, nil)
	if err != nil {
		b.Fatal(err)
	}
	var thing, template []entity.Grant
	for n := range 10 {
		thing = append(thing, permit(fmt.Sprint("Service", n), group("g1")))
		template = append(template, permit(fmt.Sprint("Service", n), group("g50")))
	}
	return book, [][]entity.Grant{thing, template, {permit("*", user(System))}}
}

func BenchmarkDecide(b *testing.B) {
	book, layers := large(b)
	for name, user := range map[string]string{"granted by the template": "u0", "refused": "u3", "an administrator": Administrator} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				book.Decide(user, ServiceInvoke, "Service9", layers...)
			}
		})
	}
}

func BenchmarkNewBook(b *testing.B) {
	book, _ := large(b)
	var users []entity.User
	for name := range book.members {
		users = append(users, newUser(name))
	}
	for b.Loop() {
		if _, err := NewBook(users, nil, nil); err != nil {
			b.Fatal(err)
		}
	}
}
