package acm

import (
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/acm/types"

	"github.com/skylift/skylift/internal/handler"
	"github.com/skylift/skylift/internal/store"
)

// served are the keys that application load balancers take
// (https://docs.aws.amazon.com/elasticloadbalancing/latest/application/https-listener-certificates.html).
var served = []types.KeyAlgorithm{
	types.KeyAlgorithmRsa2048, types.KeyAlgorithmRsa3072, types.KeyAlgorithmRsa4096,
	types.KeyAlgorithmEcPrime256v1, types.KeyAlgorithmEcSecp384r1, types.KeyAlgorithmEcSecp521r1,
}

// Servable says whether there is a certificate with that ARN, and whether a load balancer can have it. One that was
// imported must hold still. One that was issued is renewed as soon as a listener has it.
func (a *API) Servable(tx store.Tx, arn string) (there, can bool, err error) {
	c, there, err := handler.Find(tx, Certificates, arn)
	full := slices.ContainsFunc(c.Names, func(n string) bool { return strings.Contains(n, ".") })
	if there && c.Request == nil {
		leaf, err := c.parsed()
		if err != nil || leaf == nil || time.Now().After(leaf.NotAfter) {
			return there, false, err
		}
	}
	return there, full && len(c.Leaf) > 0 && slices.Contains(served, c.Algorithm), err
}
