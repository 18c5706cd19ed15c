// Package listeners answers the API's calls about listeners.
package listeners

import (
	elb "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2"

	"github.com/skylift/skylift/internal/service/elbv2"
	"github.com/skylift/skylift/internal/service/elbv2/rules"
	"github.com/skylift/skylift/internal/store"
	"github.com/skylift/skylift/internal/wire"
)

// Certificates is who has certificates, as listeners see it.
type Certificates interface {
	// Servable says whether there is a certificate with that ARN, and whether a
	// listener can have it: it is issued, for a domain name, and its key is of a kind
	// that balancers take.
	Servable(tx store.Tx, arn string) (there, can bool, err error)
}

// API answers for listeners.
type API struct {
	db        store.DB
	certs     Certificates
	checkPort func(port uint16) error
}

// New returns the API. checkPort says whether listeners can be on a port of
// this host; when nil, they can be on any.
func New(db store.DB, certs Certificates, checkPort func(port uint16) error) *API {
	if checkPort == nil {
		checkPort = func(uint16) error { return nil }
	}
	return &API{db, certs, checkPort}
}

// The condition keys of several operations
// (https://docs.aws.amazon.com/service-authorization/latest/reference/list_awselasticloadbalancingv2.html).
var listenerKeys = []string{"elasticloadbalancing:ListenerProtocol: Protocol", "elasticloadbalancing:SecurityPolicy: SslPolicy"}

// Operations lists what the API answers.
func (a *API) Operations() []wire.Operation {
	const tls = "SslPolicy AlpnPolicy Certificates{CertificateArn}"
	return []wire.Operation{
		wire.Op("AddListenerCertificates", a.AddListenerCertificates).On("listener/*: ListenerArn").Takes("ListenerArn Certificates{CertificateArn}"),
		wire.Op("CreateListener", a.CreateListener).On("loadbalancer/*: LoadBalancerArn").Makes("listener/app: LoadBalancerArn").Keys(listenerKeys...).Takes("LoadBalancerArn Port Protocol Tags{*} "+tls+" DefaultActions{"+rules.Action+"}", "MutualAuthentication{Mode=off}").
			Checks(func(in *elb.CreateListenerInput) []error { return newListenerFaults(in) }),
		wire.Op("DeleteListener", a.DeleteListener).On("listener/*: ListenerArn").Takes("ListenerArn"),
		wire.Op("DescribeListenerAttributes", a.DescribeListenerAttributes).Takes("ListenerArn"),
		wire.Op("DescribeListenerCertificates", a.DescribeListenerCertificates).Takes("ListenerArn Marker PageSize"),
		wire.Op("DescribeListeners", a.DescribeListeners).Takes("ListenerArns LoadBalancerArn Marker PageSize"),
		wire.Op("DescribeSSLPolicies", a.DescribeSSLPolicies).Takes("Names Marker PageSize LoadBalancerType"),
		wire.Op("ModifyListener", a.ModifyListener).On("listener/*: ListenerArn").Keys(listenerKeys...).Takes("ListenerArn Port Protocol "+tls+" DefaultActions{"+rules.Action+"}", "MutualAuthentication{Mode=off}").
			Checks(func(in *elb.ModifyListenerInput) []error { return changedListenerFaults(in) }),
		wire.Op("RemoveListenerCertificates", a.RemoveListenerCertificates).On("listener/*: ListenerArn").Takes("ListenerArn Certificates{CertificateArn}"),
		wire.Op("ModifyListenerAttributes", a.ModifyListenerAttributes).On("listener/*: ListenerArn").Takes("ListenerArn Attributes{*}").
			KeepsKeys("Attributes", elbv2.Kept(elbv2.ListenerAttributes)),
	}
}
