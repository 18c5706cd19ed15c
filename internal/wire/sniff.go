package wire

import (
	"bytes"
	"net/http"
	"strings"

	"github.com/skylift/skylift/internal/wire/awsquery"
)

// Sniff guesses the protocol of a request whose service is not known, so that an error reaches a
// caller who can read it.
func Sniff(r *http.Request, body []byte) Protocol {
	if r.Header.Get("X-Amz-Target") != "" || strings.Contains(r.Header.Get("Content-Type"), "json") {
		return AWSJSON11
	}
	form, err := awsquery.Parse(r.URL.RawQuery, string(body))
	switch {
	case err == nil && form.Take("Action") != "":
		if form.Take("Version") == ec2Version {
			return EC2Query
		}
		return AWSQuery
	case strings.Contains(r.Header.Get("Content-Type"), "x-www-form-urlencoded") && !bytes.HasPrefix(bytes.TrimSpace(body), []byte("{")):
		return AWSQuery
	}
	return AWSJSON11
}

// ec2Version is the only version that EC2's API has had for years.
const ec2Version = "2016-11-15"
