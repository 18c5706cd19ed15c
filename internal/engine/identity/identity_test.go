package identity

import (
	"errors"
	"testing"

	"github.com/skylift/skylift/internal/engine"
)

func TestOf(t *testing.T) {
	t.Parallel()
	const passwd, group = "root:x:0:0::/:/bin/sh\napp:x:1000:1001::/:/bin/sh\n", "root:x:0:\nweb:x:33:\n"
	for _, tc := range []struct {
		who   string
		want  engine.Identity
		asked bool
		fails bool
	}{
		{who: ""},
		{who: "7:8", want: engine.Identity{UID: 7, GID: 8}},
		{who: "app", want: engine.Identity{UID: 1000, GID: 1001}, asked: true},
		{who: "1000", want: engine.Identity{UID: 1000, GID: 1001}, asked: true},
		{who: "app:web", want: engine.Identity{UID: 1000, GID: 33}, asked: true},
		{who: "7", want: engine.Identity{UID: 7}, asked: true},
		{who: "nobody-here", asked: true, fails: true},
	} {
		asked := false
		got, err := Of(tc.who, func() (p, g []byte, err error) { asked = true; return []byte(passwd), []byte(group), nil })
		_, refused := errors.AsType[*engine.StartError](err)
		if got != tc.want || refused != tc.fails || asked != tc.asked {
			t.Errorf("Of(%q) = %+v, %v, asked %v; want %+v, fails %v, asked %v", tc.who, got, err, asked, tc.want, tc.fails, tc.asked)
		}
	}
}

func TestOfPassesTheFilesErrorOn(t *testing.T) {
	t.Parallel()
	gone := errors.New("gone")
	if _, err := Of("app", func() (p, g []byte, err error) { return nil, nil, gone }); !errors.Is(err, gone) {
		t.Errorf("error %v, want %v", err, gone)
	}
}
