package firewall

import (
	"encoding/json"
	"flag"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/tools/txtar"

	"github.com/skylift/skylift/internal/service/ec2"
	"github.com/skylift/skylift/internal/vpc"
)

var update = flag.Bool("update", false, "rewrite the rules in testdata")

// TestBuild makes the firewall of each case's records.json and compares it,
// and whom it lets in where ask says so, with rules.
func TestBuild(t *testing.T) {
	t.Parallel()
	cases, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(cases) == 0 {
		t.Fatalf("no cases: %v", err)
	}
	for _, path := range cases {
		t.Run(filepath.Base(path), func(t *testing.T) {
			t.Parallel()
			a, err := txtar.ParseFile(path)
			if err != nil {
				t.Fatal(err)
			}
			files := map[string]string{}
			for _, f := range a.Files {
				files[f.Name] = string(f.Data)
			}
			got := render(t, files["records.json"], files["ask"])
			if *update {
				a.Files = append(a.Files[:2], txtar.File{Name: "rules", Data: []byte(got)})
				if err := os.WriteFile(path, txtar.Format(a), 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			if diff := cmp.Diff(files["rules"], got); diff != "" {
				t.Errorf("rules (-want +got), -update rewrites them:\n%s", diff)
			}
		})
	}
}

func render(t *testing.T, records, ask string) string {
	t.Helper()
	var in struct {
		Groups     []ec2.SecurityGroup
		Interfaces []*ec2.Interface
		Fronts     []vpc.Front
		Ports      map[string][]uint16
	}
	d := json.NewDecoder(strings.NewReader(records))
	d.DisallowUnknownFields()
	if err := d.Decode(&in); err != nil {
		t.Fatal(err)
	}
	rs := Build(Records{Groups: in.Groups, Interfaces: in.Interfaces, Fronts: in.Fronts, Ports: in.Ports})
	rs.CIDR = netip.MustParsePrefix("172.31.0.0/16")
	var b strings.Builder
	for _, g := range rs.Groups {
		writeRules(&b, g.ID, "in", g.Ingress)
		writeRules(&b, g.ID, "out", g.Egress)
	}
	for _, m := range rs.Members {
		fmt.Fprint(&b, m.ID, " ", m.Addr, " ", m.Groups)
		if m.Host {
			fmt.Fprint(&b, " of the host, with ports ", m.Ports)
		}
		fmt.Fprintln(&b)
	}
	for _, f := range rs.Fronts {
		fmt.Fprintln(&b, f.Addr, f.Members)
	}
	for line := range strings.Lines(ask) {
		var member string
		var protocol int
		var port uint16
		if _, err := fmt.Sscan(line, &member, &protocol, &port); err != nil {
			t.Fatal(err)
		}
		fmt.Fprintln(&b, member, protocol, port, "admits", Admit(rs, member, protocol, port))
		checkAgainstRuleset(t, rs, member, protocol, port)
	}
	return b.String()
}

func writeRules(b *strings.Builder, group, side string, rules []vpc.Rule) {
	for _, r := range rules {
		peer := r.Group
		if r.CIDR.IsValid() {
			peer = r.CIDR.String()
		}
		fmt.Fprintln(b, group, side, r.Protocol, r.FromPort, r.ToPort, peer)
	}
}

// checkAgainstRuleset holds Admit against what the firewall says of each
// member, when nothing keeps it from sending.
func checkAgainstRuleset(t *testing.T, rs *vpc.Ruleset, member string, protocol int, port uint16) {
	t.Helper()
	admitted := Admit(rs, member, protocol, port)
	for _, dst := range rs.Members {
		if dst.ID != member {
			continue
		}
		for _, src := range rs.Members {
			v := rs.Check(vpc.Flow{Protocol: protocol, Src: src.Addr, Dst: dst.Addr, SrcPort: 50000, DstPort: port})
			if v.Blocked == vpc.Egress || src.ID == dst.ID {
				continue
			}
			in := false
			for _, p := range admitted {
				in = in || p.Contains(src.Addr)
			}
			if in != v.Admitted {
				t.Errorf("%s to %s port %d: Admit says %v, the firewall %v", src.ID, dst.ID, port, in, v.Admitted)
			}
		}
	}
}
