"""The graph: stages traced from flows, their params and code, and dvc.yaml. It knows no driver and no tracker."""
