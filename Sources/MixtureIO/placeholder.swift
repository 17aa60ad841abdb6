import Mixtures
