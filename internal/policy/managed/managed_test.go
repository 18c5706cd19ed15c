package managed

import (
	"strings"
	"testing"

	"github.com/skylift/skylift/internal/policy"
	"github.com/skylift/skylift/internal/policy/document"
)

func TestAll(t *testing.T) {
	t.Parallel()
	ids := map[string]bool{}
	for _, p := range All() {
		if p.ARN != "arn:aws:iam::aws:policy"+p.Path+p.Name || len(p.ID) != 21 || !strings.HasPrefix(p.Version, "v") || p.Created.IsZero() || p.Updated.Before(p.Created) || ids[p.ID] {
			t.Errorf("%s: %s, %s, %s, %s, %s", p.ARN, p.Path, p.ID, p.Version, p.Created, p.Updated)
		}
		ids[p.ID] = true
		d, err := document.Check(p.Document, document.Managed)
		if err != nil {
			t.Errorf("%s: %v", p.Name, err)
			continue
		}
		if _, err := policy.Compile(policy.Name{ARN: p.ARN}, d, nil); err != nil {
			t.Errorf("%s: %v", p.Name, err)
		}
	}
	if len(ids) != 171 {
		t.Errorf("there are %d policies", len(ids))
	}
}
