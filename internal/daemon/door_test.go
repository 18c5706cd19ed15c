package daemon

import (
	"crypto/sha256"
	"net/http/httptest"
	"testing"

	"github.com/skylift/skylift/internal/arn"
	"github.com/skylift/skylift/internal/service/ecr/link"
)

type linkKey struct{}

func (linkKey) SignLink(text string) []byte { s := sha256.Sum256([]byte(text)); return s[:] }

// TestLayerDoorSaysWho: the audit hears who asked for a link, and for what.
func TestLayerDoorSaysWho(t *testing.T) {
	t.Parallel()
	links := link.New("127.0.0.1:4566", linkKey{})
	d := layerDoor{ns: arn.Namespace{Region: "us-west-2", Account: "123456789012"}, links: links}
	ada := "arn:aws:iam::123456789012:user/ada"
	e, err := d.Enter(httptest.NewRequest("GET", links.To("team/app", "sha256:ab", ada), nil))
	if err != nil || e.Caller.ARN != ada || e.Is == nil || e.Is.Action != "ecr:GetDownloadUrlForLayer" || e.Is.Resource != "arn:aws:ecr:us-west-2:123456789012:repository/team/app" {
		t.Errorf("got %+v: %v", e, err)
	}
}
