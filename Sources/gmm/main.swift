print("gmm")
