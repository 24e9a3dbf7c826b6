package system

import (
	"fmt"
	"net/http"
	"sync"

	"homebase/httpx"
)

// WithContract adds the route that describes all routes to the table.
func WithContract(routes []httpx.Route) []httpx.Route {
	var text func() ([]byte, error)
	routes = append(routes, httpx.Route{
		Pattern: "GET /system/openapi.json", Access: httpx.Public(), Rate: httpx.RateRead,
		Summary:   "This API as an OpenAPI 3.1 document",
		Responses: []httpx.Response{{Status: http.StatusOK, Type: "application/json", Headers: []string{"ETag"}}},
		Handler: func(w http.ResponseWriter, _ *http.Request) error {
			contract, err := text()
			if err != nil {
				return fmt.Errorf("describe the routes: %w", err)
			}
			w.Header().Set("Cache-Control", "public, max-age=300")
			w.Header().Set("ETag", httpx.ContentTag(contract))
			w.Header().Set("Content-Type", "application/json")
			_, err = w.Write(contract)
			return err
		},
	})
	text = sync.OnceValues(func() ([]byte, error) { return httpx.OpenAPI(routes) })
	return routes
}
