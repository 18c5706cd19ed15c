// Package sniff guesses the protocol of requests whose service is not known.
package sniff

import (
	"bytes"
	"net/http"
	"strings"

	"github.com/skylift/skylift/internal/wire"
	"github.com/skylift/skylift/internal/wire/awsquery"
)

// Protocol guesses the protocol of a request whose service is not known, so that an error reaches a
// caller who can read it.
func Protocol(r *http.Request, body []byte) wire.Protocol {
	if r.Header.Get("X-Amz-Target") != "" || strings.Contains(r.Header.Get("Content-Type"), "json") {
		return wire.AWSJSON11
	}
	form, err := awsquery.Parse(r.URL.RawQuery, string(body))
	switch {
	case err == nil && form.Take("Action") != "":
		if form.Take("Version") == "2016-11-15" { // the only version of EC2's API
			return wire.EC2Query
		}
		return wire.AWSQuery
	case strings.Contains(r.Header.Get("Content-Type"), "x-www-form-urlencoded") && !bytes.HasPrefix(bytes.TrimSpace(body), []byte("{")):
		return wire.AWSQuery
	}
	return wire.AWSJSON11
}
