package vpc

import (
	"net/netip"
	"testing"
)

func TestApplyRefusesWhatItCannotEnforce(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	m := Member{ID: "eni-a", Addr: w.addr(10)}
	front := Front{Addr: netip.MustParseAddrPort("127.0.0.1:80")}
	for name, rs := range map[string]*Ruleset{
		"another range":     {CIDR: netip.MustParsePrefix("192.0.2.0/24")},
		"address twice":     {Members: []Member{m, {ID: "eni-b", Addr: m.Addr}}},
		"member twice":      {Members: []Member{m, {ID: "eni-a", Addr: w.addr(11)}}},
		"address elsewhere": {Members: []Member{{ID: "eni-a", Addr: netip.MustParseAddr("192.0.2.1")}}},
		"group twice":       {Groups: []Group{{ID: "sg"}, {ID: "sg"}}},
		"front twice":       {Fronts: []Front{front, front}},
		"front nowhere":     {Fronts: []Front{{}}},
	} {
		if _, err := w.Apply(t.Context(), rs); err == nil {
			t.Errorf("%s: applied", name)
		}
	}
}
