package policy

import (
	"fmt"
	"testing"
)

func TestCache(t *testing.T) {
	t.Parallel()
	var c Cache
	text := func(effect string) string {
		return `{"Version":"2012-10-17","Statement":{"Effect":"` + effect + `","Principal":"*","Action":"*"}}`
	}
	get := func(resource, text string, ids map[string]string) *Policy {
		t.Helper()
		p, err := c.Compile(resource, Name{Name: "of " + resource}, text, ids)
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	first := get("a", text("Allow"), nil)
	if get("a", text("Allow"), nil) != first {
		t.Error("the same policy is compiled again")
	}
	for what, other := range map[string]*Policy{"another resource": get("b", text("Allow"), nil), "other ids": get("a", text("Allow"), map[string]string{"x": "y"}), "another text": get("a", text("Deny"), nil)} {
		if other == first {
			t.Errorf("%s has the first one's", what)
		}
	}
	if _, err := c.Compile("a", Name{}, "{", nil); err == nil {
		t.Error("a policy that can't be read is compiled")
	}
	for i := range 2 * mostCompiled {
		get(fmt.Sprint(i), text("Allow"), nil)
	}
	if n := len(c.compiled); n > mostCompiled {
		t.Errorf("%d policies are kept", n)
	}
}
